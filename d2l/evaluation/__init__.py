"""What a document's adapter knows, costs and breaks."""
