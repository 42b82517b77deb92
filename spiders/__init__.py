"""Edge in: the pages that Listener crawls, read by Scrapy."""
