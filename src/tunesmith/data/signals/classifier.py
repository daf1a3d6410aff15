"""What a local sequence classifier says of a text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.record import LocalPath

VERSION = 1


def classifier(texts: pa.StringArray, *, model: LocalPath, label: str | None = None) -> NDArray[np.float64]:
    """Probability of one label under a sequence-classification model in a local folder: toxic, educational, spam.

    `label` is a name or number of the model's config; without it, the one called toxic, or the second of two. A text
    longer than the model holds has the highest probability of its windows. Needs the extra train.
    """
    from tunesmith.models.texts import class_probabilities

    given = [text or "" for text in texts.to_pylist()]
    return np.array(class_probabilities(model, given, label))
