"""The two lights, against the standard's own figures."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.picture.encoding import to_linear, to_srgb


@pytest.mark.parametrize(
    ("encoded", "linear"),
    [(0, 0), (0.02, 0.02 / 12.92), (0.04045, 0.0031308), (0.5, 0.2140411), (0.8, 0.6038273), (1, 1)],
)
def test_known_values(encoded, linear):
    assert float(to_linear(np.float32(encoded))) == pytest.approx(linear, rel=1e-4)
    assert float(to_srgb(np.float32(linear))) == pytest.approx(encoded, rel=1e-4)


def test_there_and_back():
    levels = np.linspace(0, 1, 65536, dtype=np.float32)
    assert to_linear(levels).dtype == np.float32
    np.testing.assert_allclose(to_srgb(to_linear(levels)), levels, atol=2e-6)


def test_what_lies_outside():
    np.testing.assert_array_equal(to_srgb(np.float32([-0.5, -1e-9])), [0, 0])
    assert to_srgb(np.float32(2)) > 1.3
    assert np.isfinite(to_linear(np.float32([-0.2, 1.3]))).all()
