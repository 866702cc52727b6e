# unicorn. It is made to stand behind nginx, and closes each connection after
# its answer. https://yhbt.net/unicorn/SIGNALS.html
worker_processes 4
preload_app true
