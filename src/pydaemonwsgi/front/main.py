"""The front process from fork to exit. Shell."""

import asyncio
import dataclasses
import faulthandler
import gc
import logging
import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from typing import Final

import setproctitle

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.front.options import FrontOptions
from pydaemonwsgi.front.orders import Orders
from pydaemonwsgi.front.server import FrontServer
from pydaemonwsgi.front.spool import SpoolError, open_spool_file
from pydaemonwsgi.logs import ERROR_LOG, parse_level, setup_error_log
from pydaemonwsgi.metrics.heartbeat import Heartbeat
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.system.credentials import PRIVILEGE_EXIT_STATUS, drop_privileges
from pydaemonwsgi.system.descriptors import replace_error_log
from pydaemonwsgi.system.identities import Identity
from pydaemonwsgi.system.memory import map_shared
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR, receive_with_descriptors
from pydaemonwsgi.vocabulary import DUMP_SIGNAL

__all__ = ["run"]

logger = logging.getLogger(__name__)

# Seconds that an orphaned front gives its requests.
_ORPHANED: Final = 15.0
# Seconds between two signs of life.
_BEAT: Final = 0.5
# Descriptors kept back for two daemon processes: channel, scoreboard, and the copy of the latter that mmap keeps.
_RESERVE: Final = 6
# Seconds until the supervisor hears that a daemon process could not be taken up.
_REFUSED: Final = 1.0


def run(
    options: FrontOptions,
    listeners: Mapping[str, socket.socket],
    control_socket: socket.socket,
    identity: Identity | None,
    log_level: str,
    heartbeat: memoryview,
) -> int:
    """Be the front; return the exit status. Called in a fresh child with only its own descriptors open.

    Args:
        options: of the whole front.
        listeners: where clients come, by name.
        control_socket: connection to the supervisor.
        identity: who to become; None to stay who it is.
        log_level: of the error log.
        heartbeat: memory for our signs of life, which the supervisor reads.
    """
    setproctitle.setproctitle("pydaemonwsgi: front")
    lowest = min((log.level for log in options.error_logs), key=parse_level, default=None)
    setup_error_log(log_level, label="front", lowest=lowest)
    faulthandler.register(DUMP_SIGNAL, file=2, chain=False)
    faulthandler.enable(file=2)
    _import_late_modules()
    try:
        if identity is not None:
            drop_privileges(identity)
    except PrivilegeError as error:
        logger.critical("cannot become the run-as user: %s; the process ends", error)
        return PRIVILEGE_EXIT_STATUS
    os.chdir("/")
    options = _fit(options)
    # The hot path makes no cycles; collecting seldom saves a tenth of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    return asyncio.run(_Front(options, listeners, control_socket, Heartbeat(heartbeat)).run())


def _fit(options: FrontOptions) -> FrontOptions:
    """Return the options as this machine allows them."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # A quarter is for channels, spool files and files on their way: a client more is worth less than an answer.
    connections = min(options.maximum_connections, max(1, limit * 3 // 4 - 16))
    if connections < options.maximum_connections:
        logger.warning(
            "--maximum-connections %d is cut to %d: it may have %d descriptors; raise LimitNOFILE or ulimit -n",
            options.maximum_connections,
            connections,
            limit,
        )
    directory = options.spool_directory or _temporary_directory()
    try:
        os.close(open_spool_file(directory))
    except SpoolError as error:
        logger.error(
            "%s: request bodies of more than %d bytes get 503, and answers that clients read slowly keep threads; "
            "give --spool-directory (ServeOption spool-directory) a directory that this user may write to",
            error,
            options.request_buffer_size,
        )
    return dataclasses.replace(options, maximum_connections=connections, spool_directory=directory)


def _temporary_directory() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # none that can be written to, as in a container whose file system is read-only
        return "/tmp"  # noqa: S108


def _import_late_modules() -> None:
    """Import what would otherwise be imported at first use: the interpreter may be out of reach by then."""
    import encodings.idna  # noqa: PLC0415
    import encodings.latin_1  # noqa: F401, PLC0415


class _Front:
    def __init__(
        self,
        options: FrontOptions,
        listeners: Mapping[str, socket.socket],
        control_socket: socket.socket,
        heartbeat: Heartbeat,
    ) -> None:
        self._options = options
        self._listeners = listeners
        self._control = control_socket
        self._heartbeat = heartbeat
        self._stopped: asyncio.Future[int] | None = None
        self._server: FrontServer | None = None
        self._reserve: list[int] = []

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        self._stopped = loop.create_future()
        self._control.setblocking(False)
        # The supervisor decides when to stop: a signal to the whole process group must not end answers early.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._on_signal, number)
        self._server = server = FrontServer(self._options, self._listeners)
        server.on_channel_closed = self._note_channel_closed
        server.on_lost = self._note_lost
        server.on_want = self._want
        server.configuration.on_unused = self._note_unused
        loop.add_reader(self._control.fileno(), self._on_control)
        self._fill_reserve()
        server.start()
        self._beat()
        self._say(Word.READY)
        return await self._stopped

    def _beat(self) -> None:
        self._heartbeat.beat(time.monotonic())
        asyncio.get_running_loop().call_later(_BEAT, self._beat)

    def _on_signal(self, number: int) -> None:
        logger.info("signal %d is not for the front; send it to the supervisor, pid %d", number, os.getppid())

    def _say(self, word: Word, **fields: object) -> None:
        try:
            self._control.send(control.encode(word, **fields))
        except OSError as error:
            logger.debug("cannot tell the supervisor %s: %s", word.value, error)

    def _note_channel_closed(self, process: int) -> None:
        self._say(Word.DETACHED, process=process)

    def _note_lost(self, process: int, requests: str) -> None:
        self._say(Word.LOST, process=process, requests=requests)

    def _want(self, group: str, application_group: str, spare: str) -> None:
        self._say(Word.WANT, group=group, application_group=application_group, spare=spare)

    def _note_unused(self, group: str) -> None:
        self._say(Word.UNUSED, group=group)

    def _on_control(self) -> None:
        server = self._server
        assert server is not None
        self._release_reserve()
        try:
            data, descriptors = receive_with_descriptors(self._control, control.MAXIMUM_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            logger.warning("the supervisor has gone; finishing %d requests", server.unanswered)
            self._stop(_ORPHANED)
            return
        self._obey(control.decode(data), descriptors, server)
        self._fill_reserve()

    def _fill_reserve(self) -> None:
        """Keep descriptors back for daemon processes: a front that has none of those is of no use to its clients."""
        try:
            while len(self._reserve) < _RESERVE:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            pass  # the next message tries again

    def _release_reserve(self) -> None:
        while self._reserve:
            os.close(self._reserve.pop())

    def _obey(self, message: Message, descriptors: list[int], server: FrontServer) -> None:
        word = message.word
        if word is Word.ATTACH:
            threads = message.number("threads")
            try:
                channel, board = descriptors
                memory = map_shared(board, scoreboard_size(threads))
            except (OSError, ValueError):
                # The kernel drops what does not fit into our table. The supervisor must not think that we have it;
                # but if it heard so at once, it would start the next process at once.
                for descriptor in descriptors:
                    if descriptor != LOST_DESCRIPTOR:
                        os.close(descriptor)
                logger.error("out of descriptors: cannot take up daemon process pid %d", message.number("pid"))
                process = message.number("process")
                asyncio.get_running_loop().call_later(_REFUSED, lambda: self._say(Word.DETACHED, process=process))
                return
            os.close(board)
            server.attach(
                message.text("group"),
                socket.socket(fileno=channel),
                message.number("process"),
                message.number("pid"),
                threads,
                Scoreboard(memory, threads),
            )
        elif word is Word.CONFIGURE:
            _configure(descriptors, server)
        elif word is Word.DETACH:
            if (found := server.channel(message.number("process"))) is not None:
                found.detach()
        elif word is Word.DIED:
            if (found := server.channel(message.number("process"))) is not None:
                found.note_death()
        elif word is Word.RESUME:
            server.resume(message.number("process"))
        elif word is Word.REFUSE:
            if (group := server.group(message.text("group"))) is not None:
                group.refuse(message.seconds("seconds"))
        elif word is Word.ADMIT:
            if (group := server.group(message.text("group"))) is not None:
                group.queue.admit()
        elif word is Word.PARTITION:
            server.partitions.note_told(message.text("group"), message.text("application_group"), message.text("key"))
        elif word is Word.CROWDED:
            server.partitions.note_crowded(message.text("group"), message.text("application_group"))
        elif word is Word.LEAVE:
            server.partitions.note_leave(message.text("key"))
        elif word is Word.REPORT:
            self._report(message, descriptors, server)
        elif word is Word.LOGS:
            _take_logs(message, descriptors, server)
        elif word is Word.PING:
            self._say(Word.PONG, queued=server.queued, clients=server.connected)
        elif word is Word.HAND_OVER:
            server.leave(message.list("listeners"))
        elif word is Word.STOP:
            self._stop(message.seconds("timeout"))

    def _report(self, message: Message, descriptors: list[int], server: FrontServer) -> None:
        if len(descriptors) != 1 or descriptors[0] == LOST_DESCRIPTOR:
            return  # out of descriptors; whoever asked does not wait for long
        [memory] = descriptors
        try:
            os.pwrite(memory, server.report(os.fstat(memory).st_size, requests=bool(message.fields["requests"])), 0)
        finally:
            os.close(memory)
        self._say(Word.REPORTED, token=message.number("token"))

    def _stop(self, timeout: float) -> None:
        server = self._server
        assert server is not None
        server.on_idle = self._end
        if timeout:
            asyncio.get_running_loop().call_later(timeout, self._give_up)
        server.stop()

    def _give_up(self) -> None:
        server = self._server
        assert server is not None
        if server.unanswered:
            logger.warning("%d requests were not answered in time; their clients are cut off", server.unanswered)
        self._end()

    def _end(self) -> None:
        # One more turn of the loop: what was written in this one goes out, the log too.
        asyncio.get_running_loop().call_later(0.05, self._finish)

    def _finish(self) -> None:
        if self._server is not None:
            self._server.finish()
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(0)


def _take_logs(message: Message, descriptors: list[int], server: FrontServer) -> None:
    """Put logs that have been opened anew in the place of those we have."""
    numbers = message.list("logs")
    received = [descriptor for descriptor in descriptors if descriptor != LOST_DESCRIPTOR]
    if len(received) != len(numbers):
        logger.error("out of descriptors: %d logs go on in the old files", len(numbers))
    else:
        for number, descriptor in zip(numbers, received, strict=True):
            if number == ERROR_LOG:
                replace_error_log(descriptor)
            else:
                server.access_logs.replace(number, descriptor)
    for descriptor in received:
        os.close(descriptor)


def _configure(descriptors: list[int], server: FrontServer) -> None:
    """Be what a configuration says that has been read again."""
    if not descriptors or LOST_DESCRIPTOR in descriptors:
        for descriptor in descriptors:
            if descriptor != LOST_DESCRIPTOR:
                os.close(descriptor)
        logger.error(
            "out of descriptors: the configuration stays as it was; raise LimitNOFILE, then restart the server"
        )
        return
    memory, *new = descriptors
    try:
        orders = Orders.decode(os.pread(memory, os.fstat(memory).st_size, 0))
    finally:
        os.close(memory)
    count = len(orders.new_listeners)
    sockets = (socket.socket(fileno=descriptor) for descriptor in new[:count])
    for number in orders.gone_logs:
        server.access_logs.forget(number)
    for number, descriptor in zip(orders.new_logs, new[count:], strict=True):
        server.access_logs.open(number, descriptor)
    setup_error_log(orders.log_level, label="front")
    server.acceptor.change(orders.listeners, dict(zip(orders.new_listeners, sockets, strict=True)))
    server.configuration.renew(_fit(orders.options))


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what escaped a callback; the front goes on."""
    del loop
    error = context.get("exception")
    logger.error("%s", context.get("message"), exc_info=error if isinstance(error, BaseException) else None)
