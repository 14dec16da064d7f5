"""Documents of all sorts, with keys that programs use."""

from __future__ import annotations

from hypothesis import strategies as st

KEYS = ["class_type", "inputs", "model", "positive", "negative", "latent_image", "steps", "seed", "text", "images",
        "lora_name", "strength_model", "width", "height", "stop_at_clip_layer", "nodes", "links", "id", "type",
        "widgets_values", "name", "link", "sui_image_params", "loras", "loraweights", "base_model", "performance",
        "resolution", "prompt", "image", "c", "scale", "extraMetadata", "1", "2", "guider", "sigmas",
        "mode"]  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(KEYS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(st.sampled_from(["1", "2", 1, 2]), st.just(0)).map(list),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    ),
    max_leaves=40,
)
