"""``python -m listener`` is the command ``listener``."""

from listener.cli import app

if __name__ == "__main__":
    app()
