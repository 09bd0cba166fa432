"""Four workers, one copy of the data. Run it with: gunicorn --config gunicorn.conf.py app:application"""

from mcai.gunicorn import on_starting, post_fork

__all__ = ["on_starting", "post_fork"]  # Gunicorn finds its hooks by name

bind = "127.0.0.1:8000"
workers = 4
threads = 2
