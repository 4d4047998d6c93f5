"""The core that both ways in share: hypernetwork, LoRA algebra, base models, training, adapters and the Hub."""
