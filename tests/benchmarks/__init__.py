"""Benchmarks: what the diffusers scripts do, written plainly, and our own training beside it.

| file | what it is |
|---|---|
| ``bases.py`` | the bases that are measured on: emoji-64, the same with an AutoencoderKL, and SD1.5's true shape |
| ``photos.py`` | the photos as the scripts read them, at every step anew |
| ``reference.py`` | the scripts' loops: LoRA, the whole model, textual inversion |
| ``class_images.py`` | the scripts' prior preservation, and a whole job from start to finish |
| ``families.py`` | one step of the scripts on SD1.x, SD2.x and SDXL |
| ``gradients.py`` | that step's gradients and ours, side by side |
| ``faults.py`` | the scripts' known faults, each as a small function |
| ``cases.py`` | what is measured: both sides build their stepper from the same case |
| ``measure.py``, ``memory.py`` | seconds in alternating pairs; peak memory, each in a process of its own |
| ``training.py`` | ``python -m tests.benchmarks.training --json`` |
| ``studio.py`` | who draws and measures likeness |
| ``arrivals.py``, ``methods.py`` | how soon likeness is there; how much of it each method has |
| ``likeness.py`` | ``python -m tests.benchmarks.likeness --json`` |
| ``samplers.py``, ``wording.py`` | every sampler against that of diffusers; A1111's rules of prompts, written plainly |
| ``drawing.py`` | the same requests through our studio and through diffusers' pipeline |
| ``crowd.py`` | fifty requests of twenty members, and how long they wait |
| ``library.py``, ``library_rows.py`` | ``python -m tests.benchmarks.library --json``, among a million adapters |
| ``files.py`` | ``python -m tests.benchmarks.files --json``: strangers' files, hostile and genuine |
| ``generation.py`` | ``python -m tests.benchmarks.generation --json`` |
"""

import os

# Before torch is loaded: threads that spin while they wait take the processor from whatever else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
