/*
 * enrollment/command.h
 *	  Between the SQL functions that give commands (enter.c, approve.c,
 *	  redeliver.c).
 */
#ifndef JO_COMMAND_H
#define JO_COMMAND_H

#include "fmgr.h"
#include "utils/jsonb.h"

/* An argument that must be given; raises 22004. */
extern char *jo_command_text(FunctionCallInfo fcinfo, int i, const char *name);

extern int64 jo_command_append(const char *name, char *customer, Jsonb *payload,
							   const char *scope, const char *key);

#endif							/* JO_COMMAND_H */
