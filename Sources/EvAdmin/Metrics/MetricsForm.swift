// The two text forms of metrics, and which of them is asked for: Prometheus' own 0.0.4, and OpenMetrics 1.0.

package enum MetricsForm: Sendable {
    case prometheus, openMetrics

    package var contentType: StaticString {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// OpenMetrics for whoever names it and likes it no less than plain text (RFC 9110 section 12.5.1). Who asks for
    /// neither by name gets plain text.
    ///
    /// - Parameter accept: the field's values.
    package init(accept: [String]) {
        var quality = (open: 0.0, plain: 0.0)
        for element in accept.flatMap({ $0.split(separator: ",") }) {
            let parts = element.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let type = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            let version = parts.dropFirst().first { $0.hasPrefix("version=") }?.dropFirst(8)
            switch type {
            case "application/openmetrics-text" where version == nil || version == "1.0.0":
                quality.open = max(quality.open, weight)
            case "text/plain": quality.plain = max(quality.plain, weight)
            default: break
            }
        }
        self = quality.open > 0 && quality.open >= quality.plain ? .openMetrics : .prometheus
    }
}
