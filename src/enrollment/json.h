/*
 * enrollment/json.h
 *	  Fields of the objects that our own events carry (see json.c).
 */
#ifndef JO_JSON_H
#define JO_JSON_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

extern char *jo_json_string(Jsonb *object, const char *name);
extern int64 jo_json_int(Jsonb *object, const char *name, int64 missing);
extern bool jo_json_bool(Jsonb *object, const char *name);
extern Jsonb *jo_json_object(Jsonb *object, const char *name);
extern bool jo_json_uuid(Jsonb *object, const char *name, pg_uuid_t *result);
extern TimestampTz jo_json_timestamp(Jsonb *object, const char *name);

/* "object" (NULL: {}) with one more member; a NULL string adds none. */
extern Jsonb *jo_json_put_string(Jsonb *object, const char *name,
								 const char *string);
extern Jsonb *jo_json_put_int(Jsonb *object, const char *name, int64 number);
extern Jsonb *jo_json_put_time(Jsonb *object, const char *name,
							   TimestampTz time);
extern Jsonb *jo_json_put_uuid(Jsonb *object, const char *name,
							   const pg_uuid_t *id);

#endif							/* JO_JSON_H */
