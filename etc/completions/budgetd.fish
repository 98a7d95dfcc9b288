# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_budgetd_global_optspecs
    string join \n config= env-file= h/help V/version
end

function __fish_budgetd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_budgetd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_budgetd_using_subcommand
    set -l cmd (__fish_budgetd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c budgetd -n "__fish_budgetd_needs_command" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_needs_command" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_needs_command" -s h -l help -d 'Print help'
complete -c budgetd -n "__fish_budgetd_needs_command" -s V -l version -d 'Print version'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "run" -d 'Run the daemon (the default)'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "check" -d 'Validate the configuration; print it resolved, without secrets, and the start order'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "wait" -d 'Check dependencies until they are up; exit 69 at the timeout'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "status" -d 'Ask the running daemon how it is; exit 0 when it is ready, 1 when not'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "graph" -d 'Print the dependency graph'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "migrate" -d 'Bring the schema of the database to what this version needs, and exit'
complete -c budgetd -n "__fish_budgetd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c budgetd -n "__fish_budgetd_using_subcommand run" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand run" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand run" -s h -l help -d 'Print help'
complete -c budgetd -n "__fish_budgetd_using_subcommand check" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand check" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand check" -s q -l quiet -d 'Print nothing unless something is wrong'
complete -c budgetd -n "__fish_budgetd_using_subcommand check" -s h -l help -d 'Print help'
complete -c budgetd -n "__fish_budgetd_using_subcommand wait" -l timeout -d 'How long to wait, such as 500ms, 30s or 2m' -r
complete -c budgetd -n "__fish_budgetd_using_subcommand wait" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand wait" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand wait" -s h -l help -d 'Print help'
complete -c budgetd -n "__fish_budgetd_using_subcommand status" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand status" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand status" -l json -d 'Print JSON'
complete -c budgetd -n "__fish_budgetd_using_subcommand status" -l watch -d 'Print it again each second, until interrupted'
complete -c budgetd -n "__fish_budgetd_using_subcommand status" -s h -l help -d 'Print help'
complete -c budgetd -n "__fish_budgetd_using_subcommand graph" -l format -r -f -a "text\t'A line for each dependency, in start order'
mermaid\t'A Mermaid flowchart'
dot\t'Graphviz'"
complete -c budgetd -n "__fish_budgetd_using_subcommand graph" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand graph" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c budgetd -n "__fish_budgetd_using_subcommand migrate" -l config -d 'Read this configuration file, too; a later one wins [default: /etc/budgetd/budgetd.toml, if it exists]' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand migrate" -l env-file -d 'Read variables from this file; the environment itself wins' -r -F
complete -c budgetd -n "__fish_budgetd_using_subcommand migrate" -s h -l help -d 'Print help'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "run" -d 'Run the daemon (the default)'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "check" -d 'Validate the configuration; print it resolved, without secrets, and the start order'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "wait" -d 'Check dependencies until they are up; exit 69 at the timeout'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "status" -d 'Ask the running daemon how it is; exit 0 when it is ready, 1 when not'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "graph" -d 'Print the dependency graph'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "migrate" -d 'Bring the schema of the database to what this version needs, and exit'
complete -c budgetd -n "__fish_budgetd_using_subcommand help; and not __fish_seen_subcommand_from run check wait status graph migrate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
