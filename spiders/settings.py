"""Scrapy's settings: polite by default. What depends on the job is set by spiders/base.py."""

BOT_NAME = "listener"
SPIDER_MODULES = ["spiders.platforms", "spiders.sites"]
NEWSPIDER_MODULE = "spiders.sites"
COMMANDS_MODULE = "spiders.commands"

ROBOTSTXT_OBEY = True
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 1.0
AUTOTHROTTLE_MAX_DELAY = 60.0
AUTOTHROTTLE_TARGET_CONCURRENCY = 1.0
DOWNLOAD_DELAY = 1.0
RANDOMIZE_DOWNLOAD_DELAY = True
CONCURRENT_REQUESTS = 8
CONCURRENT_REQUESTS_PER_DOMAIN = 1

RETRY_TIMES = 2
# 429 and 503 are not tried again at once: they go back to the scheduler with their Retry-After.
RETRY_HTTP_CODES = [500, 502, 504, 522, 524, 408]
REDIRECT_MAX_TIMES = 5
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
HTTPERROR_ALLOW_ALL = True  # the spider says in words what a status means
DNS_RESOLVER = "spiders.guard.GuardedResolver"

DOWNLOADER_MIDDLEWARES = {
    "spiders.guard.GuardMiddleware": 50,
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "spiders.robots.PoliteRobots": 100,
}
ITEM_PIPELINES = {"spiders.pipelines.Validate": 100, "spiders.pipelines.WriteItems": 900}
EXTENSIONS = {"spiders.extensions.RunReport": 500, "spiders.extensions.EndWithParent": 500}

LOG_LEVEL = "WARNING"
LOGSTATS_INTERVAL = 0.0
FEED_EXPORT_ENCODING = "utf-8"
