set edit:completion:arg-completer[tfx] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) TFX_COMPLETE="elvish" tfx -- $@words) | to-lines
}
