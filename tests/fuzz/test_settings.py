"""Any value of any variable: settings that can be used, or a sentence that names the variable."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError
from core.settings import Settings, load_settings
from tests.fuzz.effort import effort

VALUES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["inf", "-inf", "nan", "1e300", "1e-300", "0", "-1", "1", "1_000", "٣", "9" * 5000, "true", " fenced ",
     "consistent", "none", "a=b", "http://x", "projects/p/topics/t", "x" * 300, "sluice-system\n", "\udcff"]
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(Settings.fields)), VALUES, min_size=1, max_size=3))
@effort(120)
def test_any_setting_is_taken_or_named(values):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(f"SLUICE_{name.upper()}", value)
        try:
            settings = load_settings()
        except ConfigurationError as error:
            refusal = str(error)
        else:
            refusal = ""
    if refusal:
        assert any(f"SLUICE_{name.upper()}=" in refusal for name in values)
        return
    for seconds in (settings.event_max_age, settings.request_deadline, settings.api_timeout, settings.owner_cache):
        assert timedelta(seconds=seconds) >= timedelta(0)
    assert "\n" not in settings.namespace + settings.group + settings.version
