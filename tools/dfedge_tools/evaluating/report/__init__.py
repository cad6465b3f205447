def render_report(found, pictures):
    return ""
