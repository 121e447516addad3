"""Ten minutes of samples."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from tui.models import HostSample, Sample

LENGTH = 600
AnySample = TypeVar("AnySample", Sample, HostSample)


class Series(Sequence[AnySample], Generic[AnySample]):
    """Samples in the order of their time, the oldest falling off."""

    def __init__(self, samples: Iterable[AnySample] = ()) -> None:
        self._samples: deque[AnySample] = deque(samples, LENGTH)

    @overload
    def __getitem__(self, index: int) -> AnySample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AnySample]: ...
    def __getitem__(self, index: int | slice) -> AnySample | Sequence[AnySample]:
        if isinstance(index, slice):
            return list(self._samples)[index]
        return self._samples[index]

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[AnySample]:
        return iter(self._samples)

    @property
    def latest(self) -> AnySample | None:
        """The newest, None while there is none."""
        return self._samples[-1] if self._samples else None

    def append(self, sample: AnySample) -> None:
        """Adds a newer sample; one that is not newer is dropped."""
        if not self._samples or sample.t > self._samples[-1].t:
            self._samples.append(sample)

    def merge(self, samples: Iterable[AnySample]) -> None:
        """Adds samples of any age; on equal times those held win."""
        by_time = {sample.t: sample for sample in samples}
        by_time |= {sample.t: sample for sample in self._samples}
        self._samples = deque((by_time[t] for t in sorted(by_time)), LENGTH)

    def column(self, name: str) -> list[float | None]:
        """One figure over time, oldest first.

        Raises:
            AttributeError: for a name that is no column.
        """
        return [getattr(sample, name) for sample in self._samples]
