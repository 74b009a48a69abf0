// HTTP in C: bytes to slices under strict grammars (evg_scan.h), the record of a request head (evg_request_head.h) and
// the builder of a response head (evg_response_head.h). No I/O, no framing decisions; only the builder allocates.
#ifndef EVG_CHTTP_H
#define EVG_CHTTP_H

#include "evg_request_head.h"
#include "evg_response_head.h"
#include "evg_scan.h"

#endif
