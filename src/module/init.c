/*
 * module/init.c
 *	  Module magic and _PG_init: one line a room, in ROOMS order.
 *
 * Each room defines its own settings, hooks and caches in jo_<room>_init();
 * nothing else belongs here.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "audience/audience.h"
#include "capture/capture.h"
#include "content/content.h"
#include "core/core.h"
#include "enrollment/enrollment.h"
#include "experiment/holdout.h"
#include "journey/journey.h"
#include "operation/operation.h"
#include "outbox/outbox.h"
#include "permission/permission.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	jo_core_init();
	jo_audience_init();
	jo_capture_init();
	jo_experiment_init();
	jo_permission_init();
	jo_content_init();
	jo_outbox_init();
	jo_journey_init();
	jo_enrollment_init();
	jo_worker_init();
	jo_operation_init();

	MarkGUCPrefixReserved("journey_orch");
}
