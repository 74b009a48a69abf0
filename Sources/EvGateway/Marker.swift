// The mark of a Swift app, which the launcher looks for (`AppMarker` of EvHost).

@section("evgateway_app") @used
private let marker: UInt32 = 1
