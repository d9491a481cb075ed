"""What follows from it: frames in, frames out. No clock, no database, no network, no Prefect."""
