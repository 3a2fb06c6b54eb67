"""Strategic merge patches, as far as they are merge patches."""

from typing import Any

import pytest

from core.local.embedded.statuses import ApiError
from core.local.embedded.verbs import strategic_patch


def test_patch_of_maps_is_merged():
    change = strategic_patch({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}})
    old = {"spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"}}}}}
    template = {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}}}
    assert change(old) == {"spec": {"replicas": 2, "template": template}}


@pytest.mark.parametrize("body", [{"spec": {"containers": [{"name": "web"}]}}, {"spec": {"$patch": "replace"}}, []])
def test_patch_that_would_need_merge_keys_is_refused_with_what_to_do(body: Any):
    with pytest.raises(ApiError, match="--type=merge") as refused:
        strategic_patch(body)
    assert refused.value.code == 400
