"""The embedded SFTP server: a small process apart, and a child of it for every connection."""
