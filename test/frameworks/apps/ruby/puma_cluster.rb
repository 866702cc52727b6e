# Puma in cluster mode, as its documentation has it.
# https://github.com/puma/puma/blob/master/docs/deployment.md
workers 2
threads 4, 4
preload_app!
