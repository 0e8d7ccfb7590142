complete --keep-order --exclusive --command tfx --arguments "(TFX_COMPLETE=fish tfx -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
