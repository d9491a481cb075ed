"""This machine as the whole service: SFTP, Prefect, the operators’ sign-in, OpenSSH’s configuration."""
