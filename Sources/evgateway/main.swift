// The launcher: finds what kind of app APP is and becomes its host process.

import EvHost
import Glibc

exit(launch(arguments: Array(CommandLine.arguments.dropFirst())))
