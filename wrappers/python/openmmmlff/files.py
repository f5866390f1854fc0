"""Files of users: opened, read and written with care."""
import errno
import os
import stat


def openRegular(path, mode="r", **options):
    """open() for reading, of regular files only.

    A device or a pipe may have no end, and a pipe without a writer is waited for: they are an
    OSError, as is a folder.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        return open(descriptor, mode, **options)
    except BaseException:
        os.close(descriptor)
        raise
