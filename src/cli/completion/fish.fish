# Completes NAME in fish: NAME completion fish | source
function __NAME_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # keep the text before the value of --flag=value
    set -l before (string match -r -- '^-.*=' $current)
    set -q before[1]; or set before ''
    set -l candidates
    for line in (NAME __complete $words[2..] "$current" 2>/dev/null)
        switch $line
            case ':0' ':8'
                __fish_complete_path (string replace -r -- '^-.*=' '' "$current")
            case ':16'
                __fish_complete_directories (string replace -r -- '^-.*=' '' "$current")
            case ':*'
                printf '%s\n' $before$candidates
            case '*'
                set -a candidates $line
        end
    end
end
complete -c NAME -f -a '(__NAME_complete)'
