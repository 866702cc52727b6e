# The same, with workers that accept only what a thread of theirs can answer at
# once. Without, a worker accepts and reads ahead, and closes at its end what it
# has accepted and not begun.
# https://github.com/puma/puma/blob/master/docs/architecture.md#disabling-queue_requests
workers 2
threads 4, 4
preload_app!
queue_requests false
