// Loaded when it is needed, which may be long after the release was replaced.
export const colour = 'green'
