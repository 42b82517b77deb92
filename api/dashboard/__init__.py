"""The dashboard: pages rendered here from what the store holds, usable without JavaScript."""
