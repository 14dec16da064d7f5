"""The doors of this room that others use most; each file beside this one has one subject."""

from trainer.adapters.lora_files import LoraFile, read_lora, write_kohya_lora, write_lora
from trainer.adapters.safetensors_file import read_header

TRAINER_VERSION = "0.1.0"

__all__ = ["TRAINER_VERSION", "LoraFile", "read_header", "read_lora", "write_kohya_lora", "write_lora"]
