#!/bin/bash
# machine.sh [-b FOLDER[:PLACE]]... [-u USER] LOWER STATE COMMAND
# Run COMMAND (a shell line) on a throw-away machine: root is an overlay of the trees LOWER (a:b, the first on
# top) whose writes go to STATE/up; processes and mounts are its own and end with it. -b shows a folder of this
# machine at PLACE (the same path); -u runs COMMAND as that user, made if need be. What the machine says to syslog
# comes out on stdout. End this process, and all of the machine is gone.
. "$(dirname "$0")/common.sh"

export MACHINE_BIND='' MACHINE_USER=root
while getopts b:u: option; do
    case $option in
    b) MACHINE_BIND="$MACHINE_BIND $OPTARG" ;;
    u) MACHINE_USER=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
export MACHINE_LOWER=$1 MACHINE_STATE=$2 MACHINE_COMMAND=$3
mkdir -p "$MACHINE_STATE"/{up,work,root}
contained "$interop/machine_inside.sh"
