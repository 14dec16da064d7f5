"""The trainer's exception tree.

DarkroomTrainerError
├── UserFault        a person caused it; its text is shown to them and names the value and the way out
│   └── OperatorFault the person is whoever runs the worker: it may name paths, so no member is shown it
│       ├── MissingBases the folder of base models is not there or holds none
│       ├── MissingJudges the folder of the models that judge pictures is not complete
│       └── MissingCaptioner the folder of the model that captions photos does not hold one
└── BadAdapterFile   a safetensors file that is not what it should be
"""

from __future__ import annotations


class DarkroomTrainerError(Exception):
    """Root of the trainer's own exceptions."""


class UserFault(DarkroomTrainerError):
    """Its text is written for the person who can mend it."""


class OperatorFault(UserFault):
    """Its text is for whoever runs the worker: shown at the start, logged when it comes up later."""


class MissingBases(OperatorFault):
    """DARKROOM_BASES is no folder, or holds no base that can be loaded."""


class MissingJudges(OperatorFault):
    """DARKROOM_JUDGES does not hold the two models that judge pictures."""


class MissingCaptioner(OperatorFault):
    """DARKROOM_CAPTIONER does not hold a model that captions photos."""


class BadAdapterFile(DarkroomTrainerError):
    """A safetensors file is refused before any library reads it."""
