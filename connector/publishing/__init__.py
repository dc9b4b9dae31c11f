"""From a Markdown file to the editions that pages, letters and feeds are made of."""
