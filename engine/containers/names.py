"""Container ids and names: made when none is given, checked when one is."""

import random
import re
import secrets

from engine.containers.registry import Registry
from engine.errors import InvalidArgument

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]"

_MANNERS = (
    "able amber apt azure bold brave bright brisk calm candid clear clever cosy crisp deft eager"
    " early fair fleet fond frank fresh gentle glad golden grand happy hardy honest jolly keen"
    " kind lively loyal lucid lucky mellow merry mild modest neat noble patient plain polite prime"
    " proud quick quiet ready robust serene sharp silent smooth snug sober solid spry steady sunny"
    " swift tidy trim true upbeat vivid warm wise witty"
).split()
_SHIPS = (
    "anchor barge beacon bollard bosun bow breeze brig buoy cabin capstan caravel clipper coaster"
    " compass cutter davit deck dinghy dock dory ferry fjord frigate galleon galley gangway gull"
    " harbour haven hawser helm hull islet jetty junk keel ketch lagoon lantern lighter mast mole"
    " mooring pier pilot pinnace plank port quay raft reef rigging rudder sail schooner sextant"
    " shoal skiff skipper slip sloop spar spinnaker stern strait tender tide tiller trawler tug"
    " wharf whaler windlass yacht yawl"
).split()


def new_id() -> str:
    """64 hex digits whose first 12 are not all decimal: a short id must never read as a number."""
    while True:
        made = secrets.token_hex(32)
        if not made[:12].isdigit():
            return made


def choose(registry: Registry) -> str:
    """A readable name that no container has."""
    for attempt in range(6):
        name = f"{random.choice(_MANNERS)}_{random.choice(_SHIPS)}"
        name += str(random.randrange(10 * 10**attempt)) if attempt else ""
        if not registry.has_name(name):
            return name
    return f"{name}_{secrets.token_hex(4)}"


def check(name: str) -> str:
    """The name without its leading slash.

    Raises:
        InvalidArgument: it breaks Docker's rule.
    """
    bare = name.removeprefix("/")
    if not _NAME.fullmatch(bare):
        raise InvalidArgument(f"Invalid container name ({name}), only {_RULE} are allowed")
    return bare
