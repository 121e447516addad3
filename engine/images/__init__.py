"""References, import, load, unpack, tag and removal of images."""
