import EvSettings

/// What a command line comes to, with the settings of a file below it.
func configured(_ words: [String], file: [FileSetting] = []) throws -> GatewayConfiguration {
    var settings = Settings()
    try settings.apply(Assignment.all(of: file, in: "f"), from: .file("f"))
    try settings.apply(CommandLine(words).assignments, from: .commandLine)
    try settings.finish()
    return settings.configuration
}
