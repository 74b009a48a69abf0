import EvLoop

extension Kind {
    /// Addresses and networks, in a list or in one text with commas between.
    static func addressSet(_ path: Path<AddressSet>) -> Kind {
        Kind(
            .value, reset: { $0[keyPath: path] = GatewayConfiguration()[keyPath: path] },
            show: { .list($0[keyPath: path].texts.map { .text($0) }) }
        ) { configuration, value throws(ValueError) in
            // An empty text stands for nobody, as with gunicorn.
            let texts = value == .text("") ? [] : try ValueReader.texts(value)
            do throws(AddressSetError) {
                configuration[keyPath: path] = try AddressSet(
                    texts.flatMap { $0.split(separator: ",").map { String($0.trimming(" ")) } })
            } catch {
                throw ValueError(error.reason)
            }
        }
    }
}
