// How a reason shows what a file says: in one line, whatever the file says.

extension String {
    /// The text with its control characters escaped, and cut after 60 characters.
    var oneLine: String {
        var line = ""
        for scalar in unicodeScalars.prefix(60) {
            line += scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }
        return unicodeScalars.count > 60 ? line + "…" : line
    }
}
