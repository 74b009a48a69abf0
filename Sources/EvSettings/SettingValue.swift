// The value of a setting as a file, a variable or the command line gives it, before its row has checked it.

package enum SettingValue: Equatable, Sendable {
    case none
    /// As typed: on a command line, in a variable, as a string of a file.
    case text(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case list([SettingValue])
    /// In the order of the file.
    case table([Entry])

    package struct Entry: Equatable, Sendable {
        package var name: String
        package var value: SettingValue

        package init(_ name: String, _ value: SettingValue) {
            self.name = name
            self.value = value
        }
    }
}

/// One setting of a file.
package struct FileSetting: Equatable, Sendable {
    package var name: String
    package var value: SettingValue
    /// From 1; nil where it is not known.
    package var line: Int?

    package init(_ name: String, _ value: SettingValue, line: Int? = nil) {
        self.name = name
        self.value = value
        self.line = line
    }
}

/// A file that cannot be read as what it is.
package struct FileSyntaxError: Error, Equatable {
    package var line: Int?
    /// One line, without a full stop.
    package var reason: String

    package init(line: Int? = nil, _ reason: String) {
        self.line = line
        self.reason = reason
    }
}
