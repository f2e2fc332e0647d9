/*
 * enrollment/json.c
 *	  Fields of the objects that our own events carry.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "core/clock.h"
#include "enrollment/batch.h"
#include "enrollment/json.h"

/* The member "name" of an object, or NULL when absent or null. */
static JsonbValue *
find_field(Jsonb *object, const char *name, JsonbValue *value)
{
	JsonbValue *found;

	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	found = getKeyJsonValueFromContainer(&object->root, name, strlen(name),
										 value);
	return found == NULL || found->type == jbvNull ? NULL : found;
}

/* A string, palloc'd, or NULL. */
char *
jo_json_string(Jsonb *object, const char *name)
{
	JsonbValue	value;
	JsonbValue *found = find_field(object, name, &value);

	if (found == NULL || found->type != jbvString)
		return NULL;
	return pnstrdup(found->val.string.val, found->val.string.len);
}

/* A number, rounded; "missing" when there is none. */
int64
jo_json_int(Jsonb *object, const char *name, int64 missing)
{
	JsonbValue	value;
	JsonbValue *found = find_field(object, name, &value);

	if (found == NULL || found->type != jbvNumeric)
		return missing;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(found->val.numeric)));
}

/* True only when it is there and true. */
bool
jo_json_bool(Jsonb *object, const char *name)
{
	JsonbValue	value;
	JsonbValue *found = find_field(object, name, &value);

	return found != NULL && found->type == jbvBool && found->val.boolean;
}

/* An object or array as a jsonb of its own, or NULL. */
Jsonb *
jo_json_object(Jsonb *object, const char *name)
{
	JsonbValue	value;
	JsonbValue *found = find_field(object, name, &value);

	if (found == NULL || found->type != jbvBinary)
		return NULL;
	return JsonbValueToJsonb(found);
}

/* A UUID written as a string; false when there is none. */
bool
jo_json_uuid(Jsonb *object, const char *name, pg_uuid_t *result)
{
	char	   *text = jo_json_string(object, name);

	if (text == NULL || strlen(text) != 36)
		return false;
	*result = *DatumGetUUIDP(DirectFunctionCall1(uuid_in,
												 CStringGetDatum(text)));
	return true;
}

/* A timestamp in ISO form; JO_NO_TIME when there is none. */
TimestampTz
jo_json_timestamp(Jsonb *object, const char *name)
{
	char	   *text = jo_json_string(object, name);

	if (text == NULL)
		return JO_NO_TIME;
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												   CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
}

Jsonb *
jo_json_put_string(Jsonb *object, const char *name, const char *string)
{
	JsonbValue	value;

	if (string == NULL)
		return object;
	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	return jo_jsonb_put(object, name, JsonbValueToJsonb(&value));
}

Jsonb *
jo_json_put_int(Jsonb *object, const char *name, int64 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	return jo_jsonb_put(object, name, JsonbValueToJsonb(&value));
}

Jsonb *
jo_json_put_uuid(Jsonb *object, const char *name, const pg_uuid_t *id)
{
	char	   *text;

	text = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));

	return jo_json_put_string(object, name, text);
}

/* An instant in ISO form, in UTC. */
Jsonb *
jo_json_put_time(Jsonb *object, const char *name, TimestampTz time)
{
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(buffer, TimestampTzGetDatum(time), TIMESTAMPTZOID, &utc);
	return jo_json_put_string(object, name, buffer);
}
