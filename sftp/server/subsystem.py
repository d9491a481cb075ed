"""The SFTP protocol of one client: every request bounded and checked before the session answers it."""

import contextlib
import struct
from typing import Any

import paramiko
from paramiko import Message, SFTPError, SSHException
from paramiko.sftp import CMD_CLOSE, CMD_EXTENDED, CMD_FSETSTAT, CMD_OPEN, CMD_READ, CMD_RENAME, CMD_VERSION, CMD_WRITE

from sftp.ahead import Ahead
from sftp.server.bounds import ANSWERED_BYTES, ANSWERS_AT_ONCE, PACKET_BYTES
from sftp.server.session import Session
from sftp.server.shut import Strict
from sftp.server.uploads import Listing, Upload

POSIX_RENAME = "posix-rename@openssh.com"


class Subsystem(paramiko.SFTPServer):
    """Paramiko's reading of the protocol, with our words in its answers, and shut where it is left open.

    What a client has sent is taken as it lies there, and answers to reads and writes go together while it has sent more: a packet
    of SSH takes longer than what most of them say.
    """

    server: Session
    file_table: dict[bytes, Any]
    folder_table: dict[bytes, Any]
    _asked: Ahead

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._answers, self._answered = bytearray(), 0
        self.server.open_handles = lambda: len(self.file_table) + len(self.folder_table)

    def _send_server_version(self) -> int:
        """Announces what OpenSSH's clients ask for, and none of paramiko's own."""
        kind, data = self._read_packet()
        if kind != paramiko.sftp.CMD_INIT or len(data) < 4:
            raise SFTPError("not a beginning of SFTP")
        answer = Message()
        answer.add_int(paramiko.sftp._VERSION)
        answer.add_string(POSIX_RENAME)
        answer.add_string("1")
        self._send_packet(CMD_VERSION, answer)
        return int.from_bytes(data[:4], "big")

    def _read_all(self, n: int) -> bytes:
        if n > PACKET_BYTES:
            raise SFTPError("a packet is longer than packets are")
        found = b""
        while len(found) < n:
            if not (self._asked.holds() or self.sock.recv_ready()):
                self._send_answers()  # the client may wait for them
            some = self._asked.recv(n - len(found))
            if not some:
                raise EOFError
            found = found + some if found else some
        return found

    def _send_packet(self, t: int, packet: Message) -> None:
        body = packet.asbytes()
        self._answers += struct.pack(">IB", len(body) + 1, t) + body
        self._answered += 1
        if self._answered == ANSWERS_AT_ONCE or len(self._answers) >= ANSWERED_BYTES:
            self._send_answers()

    def _send_answers(self) -> None:
        answers, self._answers, self._answered = bytes(self._answers), bytearray(), 0
        self._write_all(answers)

    def _process(self, t: int, request_number: int, msg: Message) -> None:
        self.server.is_here()
        request = Strict(msg.get_remainder())
        try:
            self._answer(t, request_number, request)
        except SSHException:
            self._send_status(request_number, paramiko.SFTP_BAD_MESSAGE)
        except UnicodeDecodeError as error:
            why = "A file's name is written in UTF-8, and this one is not: set your program to UTF-8."
            name = error.object.decode("latin-1") if t in (CMD_OPEN, CMD_RENAME, CMD_EXTENDED) else None
            self._send_status(request_number, self.server.refuse(why, upload=name))

    def _answer(self, t: int, number: int, request: Strict) -> None:
        if t not in (CMD_READ, CMD_WRITE):
            self._send_answers()  # it may take its time
        if t == CMD_EXTENDED:
            self._extended(number, request)
        elif t == CMD_CLOSE:
            self._close(number, request.get_binary())
        elif t == CMD_FSETSTAT:
            self._set_of_handle(number, request)
        else:
            super()._process(t, number, request)

    def _extended(self, number: int, request: Strict) -> None:
        if request.get_text() != POSIX_RENAME:
            self._send_status(number, paramiko.SFTP_OP_UNSUPPORTED)
            return
        old, new = request.get_text(), request.get_text()
        self._send_status(number, self.server.posix_rename(old, new))

    def _close(self, number: int, handle: bytes) -> None:
        known = self.folder_table.pop(handle, None) or self.file_table.pop(handle, None)
        if known is None:
            self._send_status(number, paramiko.SFTP_BAD_MESSAGE, "Invalid handle")
        else:
            path = known.path if isinstance(known, Upload) else None
            self._send_status(number, self.server.answering(known.close, upload=path))

    def _set_of_handle(self, number: int, request: Strict) -> None:
        handle, attributes = request.get_binary(), paramiko.SFTPAttributes._from_msg(request)
        if handle in self.file_table:
            self._send_status(number, self.file_table[handle].chattr(attributes))
        else:
            self._send_status(number, paramiko.SFTP_BAD_MESSAGE, "Invalid handle")

    def _open_folder(self, request_number: int, path: str) -> None:
        found = self.server.list_folder(path)
        self._send_handle_response(request_number, found, isinstance(found, Listing))

    def _log(self, *_: Any) -> None:
        pass

    def start_subsystem(self, name: str, transport: Any, channel: Any) -> None:
        """Ends as a program does: with a status, which `scp` waits for."""
        self._asked = Ahead(channel)
        super().start_subsystem(name, transport, channel)
        self.finish_files()
        with contextlib.suppress(OSError, EOFError, SSHException):  # the client has gone
            self._send_answers()
            self.sock.send_exit_status(0)

    def _send_status(self, request_number: int, code: int, desc: str | None = None) -> None:
        super()._send_status(request_number, code, self.server.why() or desc)

    def finish_subsystem(self) -> None:
        self.finish_files()
        super().finish_subsystem()

    def finish_files(self) -> None:
        """A client that has gone closes nothing: what is open was cut off. One that fails does not keep the others open."""
        self.server.has_ended = True
        for handle in (*self.file_table.values(), *self.folder_table.values()):
            self.server.answering(handle.close)
        self.file_table, self.folder_table = {}, {}
