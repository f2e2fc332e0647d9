#include "postgres.h"
#include "fmgr.h"
#include "access/htup_details.h"
#include "audience/audience.h"
#include "capture/capture.h"
#include "core/expression.h"
#define W __attribute__((weak))
#define I(x) W void x(void); W void x(void) {}
I(jo_core_init) I(jo_audience_init) I(jo_capture_init) I(jo_content_init) I(jo_journey_init) I(jo_enrollment_init) I(jo_worker_init)
W Oid jo_customer_type(void) { return InvalidOid; }
W Oid jo_customer_relation(void) { return InvalidOid; }
W void jo_event_append(JoEvent *events, int n) { for (int i=0;i<n;i++) elog(NOTICE,"event %s %s %s", events[i].name, events[i].customer_id, events[i].payload? JsonbToCString(NULL,&events[i].payload->root,-1):""); }
W JoExpression *jo_expression_compile(const char *sql, Oid t, Oid o, const JoScope *s, JoError **e) { return NULL; }
