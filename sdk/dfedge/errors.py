"""The exceptions of dfedge.

Each names the file or option at fault and says what to do next::

    DfedgeError
    ├── UsageError              an option or argument has a value that cannot work
    ├── MissingExtraError       an optional dependency is not installed
    ├── BundleError             a model bundle cannot be used
    │   ├── BundleNotFoundError     no bundle of that name or path
    │   ├── BundleFormatError       card or archive is not what the contract says
    │   └── BundleIntegrityError    a file does not match the size or sha256 of the card
    ├── RuntimeUnavailableError the wanted device or execution provider did not load
    ├── FidelityError           an exported or quantized graph differs too much from its reference
    ├── EscalationError         an escalation server was away, refused, or answered nonsense
    └── MediaError              a source gives no usable picture
        ├── MediaNotFoundError      nothing at that path or address
        ├── MediaAccessError        it may not be read (permissions, encryption, a FIFO)
        ├── MediaFormatError        no picture or video we can read, or cut off before one
        ├── MediaLimitError         larger, longer or slower than the limits in force
        └── MediaFetchError         an address could not be fetched
"""

from __future__ import annotations


class DfedgeError(Exception):
    """Base class; ``str(error)`` is a complete sentence fit for a user."""


class UsageError(DfedgeError):
    """An option or argument has a value that cannot work."""


class MissingExtraError(DfedgeError):
    """An optional dependency is not installed.

    Attributes:
        extra: the extra of the ``dfedge`` distribution that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs the extra {extra!r}: pip install 'dfedge[{extra}]'")


class BundleError(DfedgeError):
    """A model bundle cannot be used."""


class BundleNotFoundError(BundleError):
    """There is no bundle of that name or at that path."""


class BundleFormatError(BundleError):
    """The card or the archive is not what the bundle contract says."""


class BundleIntegrityError(BundleError):
    """A file of the bundle does not match the size or sha256 in its card."""


class RuntimeUnavailableError(DfedgeError):
    """The wanted device or execution provider did not load."""


class FidelityError(DfedgeError):
    """An exported or quantized graph differs too much from its reference."""


class EscalationError(DfedgeError):
    """An escalation server was away, refused, or answered nonsense.

    Attributes:
        server: its address.
        problem: what went wrong, without the address.
        for_all: whether the next request would fare the same: nobody answers, or the key is
            refused.
    """

    def __init__(self, server: str, problem: str, *, for_all: bool = False) -> None:
        self.server = server
        self.problem = problem
        self.for_all = for_all
        super().__init__(f"{server}: {problem}")


class MediaError(DfedgeError):
    """A source gives no usable picture.

    Attributes:
        source: what the caller gave, as text.
    """

    def __init__(self, source: str, problem: str) -> None:
        self.source = source
        self.problem = problem
        super().__init__(f"{source}: {problem}")

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        return type(self), (self.source, self.problem)


class MediaNotFoundError(MediaError):
    """There is nothing at that path or address."""


class MediaAccessError(MediaError):
    """The source exists but may not be read: permissions, encryption, a FIFO."""


class MediaFormatError(MediaError):
    """The source is not a picture or a video we can read, or is cut off before its first frame."""


class MediaLimitError(MediaError):
    """The source is larger, longer or slower than the limits in force."""


class MediaFetchError(MediaError):
    """An address could not be fetched."""
