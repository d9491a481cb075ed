"""The carrier: mailboxes over a folder or over SFTP, and the embedded server. Imports nobody of ours."""
