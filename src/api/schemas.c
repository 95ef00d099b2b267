/* schemas.json as bytes of the program. */
#include "api/openapi.h"

__asm__(".section .rodata\n"
	".global openapi_schemas\n"
	"openapi_schemas:\n"
	".incbin \"" SCHEMAS_FILE "\"\n"
	".byte 0\n"
	".previous\n");
