// Refusals in the forms of the two API families.
export class ApiError extends Error {
  constructor(status, errorCode, message, { headers = {}, ...detail } = {}) {
    super(message);
    Object.assign(this, { status, errorCode, headers, detail });
  }

  body() {
    const one = { errorCode: this.errorCode, message: this.message };
    return { ...one, errors: [{ ...one, ...this.detail }] };
  }
}

// OAuth adds what RFC 6749 wants.
export class OAuthError extends ApiError {
  constructor(status, errorCode, error, message) {
    super(status, errorCode, message);
    this.error = error;
  }

  body() {
    return { error: this.error, error_description: this.message, ...super.body() };
  }
}

export class RingCxError extends ApiError {
  body() {
    return { errorCode: this.errorCode, generalMessage: this.message, details: this.message, requestUri: this.detail.uri ?? '', timestamp: Date.now() };
  }
}

export const notFound = (name, value) => new ApiError(404, 'CMN-102', `Resource for parameter [${name}] is not found`,
  { parameterName: name, parameterValue: value });
export const invalid = (name, why = `Parameter [${name}] value is invalid`) => new ApiError(400, 'CMN-101', why, { parameterName: name });
export const forbidden = (permission) => new ApiError(403, 'CMN-401', `In order to call this API endpoint, application needs to have [${permission}] permission`,
  { permissionName: permission });
export const conflict = (why) => new ApiError(409, 'TAS-102', why);
