"""A campaign of hostile inputs, kills and failures: ``make campaign``. Its table is in docs/reliability.md."""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # for forks
os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*", "NO_COLOR": "1"}
os.environ |= {"HF_TOKEN": "hf_write", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1", "COLUMNS": "200"}
os.environ.pop("HF_HUB_OFFLINE", None)
